// swiftlet-sandbox: executes launch plans and supervises their tasks. Policy is elsewhere (SandboxPolicy).
#define _GNU_SOURCE
#include "create.h"
#include "hide.h"
#include "init.h"
#include "netns.h"
#include "oci.h"
#include "plan.h"
#include "podns.h"
#include "prompt.h"
#include "resident.h"
#include "sealed.h"
#include "supervise.h"
#include "workspace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int usage(void) {
    fputs("usage: swiftlet-sandbox supervise --plan FILE --state-dir DIR [--foreground]\n"
          "       swiftlet-sandbox supervise --plan FILE --foreground\n"
          "       swiftlet-sandbox exec --plan FILE --state-dir DIR [--foreground]\n"
          "       swiftlet-sandbox serve --socket PATH [--spares NUMBER]\n"
          "       swiftlet-sandbox kill --state-dir DIR [--grace MILLISECONDS]\n"
          "       swiftlet-sandbox check --plan FILE\n"
          "       swiftlet-sandbox create --plan FILE --sync DESCRIPTOR\n"
          "       swiftlet-sandbox netns --make PATH\n"
          "       swiftlet-sandbox podns --plan FILE --make DIRECTORY\n"
          "       swiftlet-sandbox oci-init [--wall PLAN] PROGRAM [ARGUMENT...]\n"
          "       swiftlet-sandbox oci-wall PLAN PROGRAM [ARGUMENT...]\n"
          "       swiftlet-sandbox oci-exec PIDFILE GROUP RUNTIME [ARGUMENT...]\n"
          "       swiftlet-sandbox enter COUNT NAMESPACE... PROGRAM [ARGUMENT...]\n"
          "       swiftlet-sandbox hide PATH PROGRAM [ARGUMENT...]\n", stderr);
    return 64;
}

static int check(const char *path) {
    struct plan_error error;
    if (plan_read(path, &error)) return 0;
    fprintf(stderr, "%s:%u: %s\n", path, error.line, error.reason);
    return 1;
}

// A careless caller's leavings: closed standard descriptors would become our pipes, an ignored SIGCHLD (it outlives exec) would
// hide every end, a blocked signal would reach nobody.
static void make_sane(void) {
    int fd;
    while ((fd = openat(AT_FDCWD, "/dev/null", O_RDWR)) >= 0 && fd < 3) {}
    if (fd >= 3) close(fd);
    // Handlers go with exec, what is ignored stays: for the task as well, which is to find the defaults.
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv) {
    make_sane();
    workspace_note_stack(argv);
    init_title_area(argv[0], argc ? (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]) : 0);
    const char *plan = NULL, *directory = NULL, *grace = NULL, *make = NULL, *sync = NULL, *socket = NULL, *spares = "4";
    int foreground = 0;
    if (argc < 2) return usage();
    if (!strcmp(argv[1], "oci-init") && argc > 4 && !strcmp(argv[2], "--wall")) return oci_init(argv[3], argv + 4);
    if (!strcmp(argv[1], "oci-init") && argc > 2) return oci_init(NULL, argv + 2);
    if (!strcmp(argv[1], "oci-wall") && argc > 3) return oci_wall(argv[2], argv + 3);
    if (!strcmp(argv[1], "oci-exec") && argc > 4) return oci_exec(argv[2], argv[3], argv + 4);
    if (!strcmp(argv[1], "enter") && argc > 3 && atoi(argv[2]) >= 0 && atoi(argv[2]) < argc - 3)
        return enter(atoi(argv[2]), argv + 3, argv + 3 + atoi(argv[2]));
    if (!strcmp(argv[1], "hide") && argc > 3) return hide(argv[2], argv + 3);
    for (int i = 2; i < argc; i++) {
        const char **value = !strcmp(argv[i], "--plan") ? &plan : !strcmp(argv[i], "--state-dir") ? &directory
                             : !strcmp(argv[i], "--grace") ? &grace : !strcmp(argv[i], "--make") ? &make : !strcmp(argv[i], "--sync") ? &sync
                             : !strcmp(argv[i], "--socket") ? &socket : !strcmp(argv[i], "--spares") ? &spares : NULL;
        if (value && i + 1 < argc) *value = argv[++i];
        else if (!strcmp(argv[i], "--foreground")) foreground = 1;
        else return usage();
    }
    if (!strcmp(argv[1], "supervise") || !strcmp(argv[1], "create") || !strcmp(argv[1], "exec")) prompt_begin();
    if (!strcmp(argv[1], "supervise") && plan && (directory || foreground)) return supervise(plan, directory, foreground);
    // Tasks of these may live where no supervisor runs the program any more.
    if ((!strcmp(argv[1], "serve") || !strcmp(argv[1], "create") || !strcmp(argv[1], "exec")) && sealed_run(argv) < 0) {
        perror("swiftlet-sandbox: cannot make its own program unwritable");
        return 2;
    }
    if (!strcmp(argv[1], "exec") && plan && directory) return supervise(plan, directory, foreground);
    if (!strcmp(argv[1], "serve") && socket) return resident_serve(socket, atoi(spares));
    if (!strcmp(argv[1], "kill") && directory) return supervise_kill(directory, grace);
    if (!strcmp(argv[1], "check") && plan) return check(plan);
    if (!strcmp(argv[1], "create") && plan && sync) return create(plan, atoi(sync));
    if (!strcmp(argv[1], "netns") && make) return netns_make(make);
    if (!strcmp(argv[1], "podns") && plan && make) return podns_make(plan, make);
    return usage();
}
