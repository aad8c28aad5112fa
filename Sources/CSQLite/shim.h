// SQLite as a Swift module.
#include <sqlite3.h>
