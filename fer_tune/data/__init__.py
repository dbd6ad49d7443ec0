"""Data sets, label noise and augmentation.

Start here:
    loading       `load_data`: a data set with the label noise of one seed; reading, storing and counting data sets
    kinds         the registry: every kind of data set; to add one, write its file and name it there
    noisy         `NoisyData`: what one trial trains on

One file for each kind of data set, holding its settings and its reader:
    synthetic     synthetic (drawn) faces with true labels; the drawing itself is in `faces`
    raf, affectnet, ferplus, cifar10
    manifest      your own images with a table of labels

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
    tables        tables as spreadsheets and other programs save them
    errors        `DataError`, and a list of problems with their places

For a person looking at data:
    detect        which data set is in a folder
    description   counts for each split and class
    copies        equal images, above all in two splits
    sheet         a picture of some faces of each class

On training images:
    augmentation  random changes to a whole batch
"""
