// What one word of a plan may look like, by a letter.
#pragma once

// p absolute path without ".", ".." or empty components; n number of at most 18 digits; u the same or "unlimited";
// i signed number below 10000; z signed number of at most 18 digits; o octal mode; k keyword [A-Za-z0-9._-];
// s any string; x hexadecimal bytes; h 1 to 8 hexadecimal digits; f mount flags; t tmpfs options; q proc options;
// v version "1" or "2"; c capabilities or "none"; b securebits; r landlock rights; e landlock scopes; m seccomp flags;
// y sysctl name; a words of `attach`; l list of numbers and ranges (0-3,8).
int plan_word_fits(char type, const char *text);
