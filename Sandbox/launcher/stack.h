// Giving back memory that only the launch needed: supervisor and init live as long as the task, so pages count.
#pragma once

// What lies below the caller's frame goes back to the kernel.
void stack_release(void);

// In a process that uses no static variable any more, its own or libc's: those go back as well.
void stack_release_statics(void);
