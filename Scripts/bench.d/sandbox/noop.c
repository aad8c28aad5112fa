// The payload of every candidate: no libc, no work. With an argument it sleeps until it is killed.
#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start: cmpq $1, (%rsp)\n"
        "  jg 1f\n"
        "  xorl %edi, %edi\n  movl $231, %eax\n  syscall\n"
        "1: movl $34, %eax\n  syscall\n  jmp 1b\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
        "_start: ldr x1, [sp]\n"
        "  cmp x1, #1\n  b.gt 1f\n"
        "  mov x0, #0\n  mov x8, #94\n  svc #0\n"
        "1: mov x0, #0\n  mov x1, #0\n  mov x2, #0\n  mov x3, #0\n  mov x8, #73\n  svc #0\n  b 1b\n");
#endif
