"""Data sets, label noise and augmentation.

Start here:
    loading       `load_data`: a data set with the label noise of one seed; reading, storing and counting data sets
    kinds         the registry: every kind of data set; to add one, write its file and name it there
    noisy         `NoisyData`: what one trial trains on

One file for each kind of data set, holding its settings and its reader:
    synthetic     synthetic (drawn) faces with true labels; the drawing itself is in `faces`
    raf, affectnet, ferplus, cifar10
    manifest      your own images with a table of labels: its settings in `manifest_spec`, then `manifest_images`,
                  `manifest_labels` and `manifest_splits`

Labels:
    labels        label sets: emotions, valence and arousal
    noise         how labels are corrupted
    votes         majority vote of several annotators
    export        writes noisy labels in the data set's own format

What the readers share:
    dataset       a data set in memory, and stored in a memory-mapped folder
    index         what label files say, before any image is opened, and the checks on it
    decoding      digest and pixels of all images of an index
    pictures      one image file
    splits        cutting the validation set from the training set
    files         settings and text files
    tables        tables as spreadsheets and other programs save them: `csv_rows`, `parquet_rows`
    paths         which image file a cell of a table means; `pixels`: images that a table holds as numbers
    errors        `DataError`, and a list of problems with their places

For a person looking at data:
    detect        which data set is in a folder; a `Draft` (in `drafts`) is what it finds
    draft_table   the draft for a table: `draft_paths` finds the images, `draft_rows` split, annotator and boxes,
                  `draft_sets` the label sets from `draft_columns` and `draft_scales`
    spellings     which words are proposed to mean one class
    questions     where two readings are possible, a person answers in one line
    description   counts for each split and class
    copies        equal images, above all in two splits
    near_duplicates  images that are nearly equal
    face_boxes    where the faces are in photographs
    sheet         pictures of some faces of each class, and of groups of images

On training images:
    augmentation  random changes to a whole batch
"""
