"use strict";
(() => {
  const open = (place) => {
    for (let part = place; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  };
  const show = () => {
    const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!place) return;
    open(place);
    (place.closest("details") ?? place).scrollIntoView();
  };
  addEventListener("hashchange", show);
  show();

  const mark = () => {
    for (const part of document.querySelectorAll(".scroll")) {
      part.classList.toggle("more", part.scrollWidth > part.clientWidth + 1);
    }
  };
  addEventListener("resize", mark);
  addEventListener("load", mark);
  document.querySelectorAll("details").forEach((part) => part.addEventListener("toggle", mark));

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((part) => (part.open = true));
  });
  addEventListener("afterprint", () => closed.forEach((part) => (part.open = false)));
})();
