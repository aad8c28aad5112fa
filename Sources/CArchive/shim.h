// libarchive's reader: tar of every dialect, gzip, zstd.
#include <archive.h>
#include <archive_entry.h>
