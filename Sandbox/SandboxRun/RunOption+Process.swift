// Options of the process and of its supervision.

extension RunOption {
    static let process: [RunOption] = [
        RunOption("--env", short: "-e", takes: "NAME[=VALUE]", .process, "an environment variable; without a value the caller's")
        { (options, text) throws(RunFailure) in
            guard text.contains("=") else {
                guard !text.isEmpty else { throw RunFailure(field: "--env", found: "nothing", expected: "NAME or NAME=VALUE") }
                return options.inheritedEnvironment.append(text)
            }
            options.environment.append(try setting(text, "--env"))
        },
        RunOption("--keep-env", .process, "the caller's whole environment (else its LANG, LC_ALL, TERM and TZ alone)") { options, _ in
            options.inheritEnvironment = true
        },
        RunOption("--clear-env", .process, "the opposite of --keep-env; the default") { options, _ in
            options.inheritEnvironment = false
        },
        RunOption("--tty", .process, "a terminal of the task's own, connected to this one; standard error goes there too") {
            options, _ in
            options.terminal = true
        },
        RunOption("--umask", takes: "OCTAL", .process, "of the task (022)") { (options, text) throws(RunFailure) in
            guard let mask = UInt16(text, radix: 8), mask <= 0o777 else {
                throw RunFailure(
                    field: "--umask", found: RunAmount.shown(text), expected: "an octal mask up to 777, for example 022")
            }
            options.umask = mask
        },
        RunOption("--nice", takes: "-20..19", .process, "scheduling niceness") { (options, text) throws(RunFailure) in
            options.nice = Int(try RunAmount.integer(text, in: -20...19, "--nice"))
        },
        RunOption(
            "--oom-score-adj", takes: "-1000..1000", .process,
            "how early the kernel takes this task when the machine has no memory"
        ) {
            (options, text) throws(RunFailure) in
            options.oomScoreAdjustment = Int(try RunAmount.integer(text, in: -1000...1000, "--oom-score-adj"))
        },
    ]

    static let supervision: [RunOption] = [
        RunOption(
            "--time-limit", short: "-t", takes: "TIME", .supervision,
            "wall-clock time after which the task is ended, for example 30s or 1h"
        ) {
            (options, text) throws(RunFailure) in
            options.timeLimitMilliseconds = try RunAmount.milliseconds(text, "--time-limit")
        },
        RunOption("--grace", takes: "TIME", .supervision, "from SIGTERM to SIGKILL (10s)") { (options, text) throws(RunFailure) in
            options.graceMilliseconds = text == "0" ? 0 : try RunAmount.milliseconds(text, "--grace")
        },
        RunOption(
            "--log", takes: "FILE", .supervision, "output goes into this file, in the CRI log format, instead of to the terminal"
        ) { (options, text) throws(RunFailure) in
            options.logPath = try place(text, "--log")
        },
        RunOption("--log-limit", takes: "SIZE", .supervision, "of that file; two are kept (10Mi)") {
            (options, text) throws(RunFailure) in
            options.logBytes = try RunAmount.bytes(text, "--log-limit")
        },
        RunOption("--name", takes: "NAME", .supervision, "the task's id in reports and cgroups") { options, text in
            options.id = text
        },
        RunOption(
            "--json", takes: "[=FILE|FD]", .supervision,
            "write the result as JSON to a file or an open descriptor; to stderr without a value"
        ) {
            (options, text) throws(RunFailure) in
            if text.isEmpty || text == "-" {
                options.report = .descriptor(2)
            } else if let number = Int32(text), number >= 1, number < 65_536 {
                options.report = .descriptor(number)
            } else {
                options.report = .file(try place(text, "--json"))
            }
        },
        RunOption("--explain", .supervision, "print what would be done, and run nothing; with --json as data") { options, _ in
            options.explain = true
        },
    ]
}
