// Giving back stack that only the launch needed: supervisor and init live as long as the task, so pages count.
#pragma once

// What lies below the caller's frame goes back to the kernel.
void stack_release(void);
