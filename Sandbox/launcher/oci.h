// Supervising a container that an OCI runtime makes (runc, crun, swiftlet-oci, ...): the same life, log and record as a task of our own.
#pragma once
#include "failure.h"
#include "plan.h"
#include "watch.h"

// Makes and starts the container of a plan with `oci-runtime`. Results as launch_task's.
int oci_launch(struct task *task, const struct plan *plan);

// After its end: has the runtime forget it. Its failure is of no consequence: the record is written, and who removes the container
// asks again.
void oci_forget(struct task *task);

// A runtime's command line and bounds, kept beyond the plan's life.
struct oci_runtime {
    char name[64], id[256], bundle[1024];
    int64_t create_ms, verb_ms;  // how long the verb that makes the container may take, and any other
    char *command[32];           // program and global options; NULL behind the last
};

// What becomes of a verb: the runtime's wait status, or -1 with `failure` set when it could not be run or did not end in time.
struct oci_call {
    const char *verb;
    const char *argument[12];  // behind the verb; NULL behind the last
    const struct plan *binds; // whose `oci-bind` and `oci-overlay` lines are carried out in a mount namespace of the call's own; or NULL
    int user_namespace;       // for idmapped binds; or -1
    int input, output, errors;  // the container's; -1: nowhere
    int status, failed;       // what our own first process gets as OCI_STATUS and OCI_FAILURE; or -1
    int64_t deadline_ms;
    int *mounts;              // takes a descriptor of the call's mount namespace, whose end is then not waited for here; or NULL
};

int oci_call(const struct oci_runtime *runtime, const struct oci_call *call, struct failure *failure);

// Descriptors of a container's first process when it is ours.
#define OCI_STATUS 3
#define OCI_FAILURE 4
// `oci-init`: runs the program as its child; the exit status is the program's. `wall`: a plan whose landlock operations hold for the
// program; or NULL.
int oci_init(const char *wall, char **argument);

// Descriptor of a command's first process when it is ours.
#define OCI_COMMAND_FAILURE 3
// `oci-wall`: becomes the program behind the landlock operations of a plan. OCI_COMMAND_FAILURE takes a struct failure when it cannot,
// else its end at exec.
int oci_wall(const char *wall, char **argument);

// `oci-exec`: runs the command line of a runtime's `exec --detach`, which writes the command's process id into `pid_file`; the exit
// status is the command's. `group`: a cgroup's directory that the command and what it started is moved to; or empty. A runtime that is
// told to preserve a descriptor gets OCI_COMMAND_FAILURE, and what comes out of it is waited for.
int oci_exec(const char *pid_file, const char *group, char **runtime);

// A null device of nobody else's, for a container's streams: runtimes give what they pass on to the container's ids (crun: fchown), and
// whoever owns the machine's own could close it to everybody. Through fail() when it cannot.
int oci_null(void);

// Carries out the plan's `oci-stage`, `oci-bind` and `oci-overlay` lines in a new mount namespace of this process. Through fail() when it cannot.
void oci_bind_all(const struct plan *plan, int user_namespace);

// Says in `failure` what a runtime that ended with this wait status told: its log's last message, else what it wrote into `errors`
// (a pipe; or -1), else its end. Begins with "exec(PROGRAM): " where it says that it cannot run the program.
void oci_complaint(const struct oci_runtime *runtime, const char *verb, int status, int errors, const char *program, struct failure *failure);
