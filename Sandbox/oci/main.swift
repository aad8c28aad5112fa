// The OCI runtime as a program of its own.

import Glibc
import OCIRuntime

exit(OCICommandLine.run(Array(CommandLine.arguments.dropFirst())))
