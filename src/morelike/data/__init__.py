"""Sources, codecs, splits and loading: everything that opens files. One codec a file; none knows a net."""
