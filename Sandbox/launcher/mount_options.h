// Option lists of file systems: key=value or key, between commas; `\` before a separator that belongs to a value.
#pragma once

// Cuts the next part off `*rest` at an unescaped `separator`; NULL at the end. The part is still escaped.
char *mount_options_split(char **rest, char separator);

// Takes the backslashes out, in place.
void mount_options_unescape(char *text);
