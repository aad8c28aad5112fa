// Memory of the supervisor that none of its children gets: a page that a fork shares is copied when it is next written to, and what
// lies in one piece costs a fork one piece less.
#pragma once
#include <stddef.h>

#define WORKSPACE_BYTES 16384

// What every launch writes to lies together, before all large variables: each page of it costs both processes a copy.
#define TOGETHER __attribute__((section(".data")))

// WORKSPACE_BYTES for one function at a time, and for none that a child between clone and exec calls. Nothing in it outlives the
// function.
extern char *workspace;

// From now on the workspace is one that no fork copies. Where there is no memory it stays as it is.
void workspace_separate(void);

// Zeroed memory that no fork copies, whole pages of it; NULL with errno when there is none. munmap(2) gives it back.
void *workspace_new(size_t bytes);

// From now on no fork copies these whole pages; in a child they are not there.
void workspace_keep(void *start, size_t bytes);

// The next fork copies them again.
void workspace_share(void *start, size_t bytes);

// Where the program's stack begins: `main`'s arguments. What the kernel put above them every child has, as libc reads it late.
void workspace_note_stack(char **arguments);
// The stack of this process, from there to well below the caller's frame. A child needs another one, or workspace_share_stack before.
void workspace_keep_stack(void);
void workspace_share_stack(void);

// Gives the workspace's pages back until it is next used.
void workspace_release(void);
