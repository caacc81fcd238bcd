// One holdfastd as a process of its own, told apart by its pid and nothing else.

import Foundation

/// Why a node cannot be used by a test.
struct ProcessFailure: Error, CustomStringConvertible {
    var description: String
}

/// A child process. Whoever starts it must `end` it, also after a failure.
final class NodeProcess {
    private(set) var pid: pid_t = 0

    var isRunning: Bool { pid != 0 }

    /// Where the build put an executable: beside the tests. A path stands for itself.
    static func executable(_ name: String) -> String {
        if name.hasPrefix("/") { return name }
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return own.deletingLastPathComponent().appendingPathComponent(name).path
    }

    /// Starts `program`, whose output goes to the end of `log`. Its environment is that of the
    /// tests and `additions`.
    func start(
        _ arguments: [String],
        log: String,
        program: String = "holdfastd",
        environment additions: [String: String] = [:]
    ) throws {
        let path = Self.executable(program)
        precondition(!isRunning, "a node is started once at a time")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var words = ([path] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        let environment = ProcessInfo.processInfo.environment.merging(additions) { $1 }
        var variables = environment.map { strdup("\($0)=\($1)") }
        variables.append(nil)
        defer { for variable in variables { free(variable) } }
        let code = posix_spawn(&pid, path, &actions, nil, words, variables)
        guard code == 0 else {
            pid = 0
            throw ProcessFailure(
                description: "\(path): \(String(cString: strerror(code)))"
            )
        }
    }

    func signal(_ number: Int32) {
        guard isRunning else { return }
        kill(pid, number)
    }

    /// Sends a signal that ends the process, and waits for its end. Answers its exit code, or the
    /// negative number of the signal that ended it.
    @discardableResult
    func end(by number: Int32) -> Int32 {
        guard isRunning else { return 0 }
        kill(pid, SIGCONT)
        kill(pid, number)
        return wait()
    }

    /// What `wait` would answer, where the process has ended already; else nil.
    func ended() -> Int32? {
        guard isRunning else { return 0 }
        var status = siginfo_t()
        let isKnown = waitid(P_PID, id_t(pid), &status, WEXITED | WNOHANG | WNOWAIT) == 0
        return isKnown && status.si_signo == SIGCHLD ? wait() : nil
    }

    /// Waits until the process has ended by itself. Answers as `end` does.
    func wait() -> Int32 {
        guard isRunning else { return 0 }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        pid = 0
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : -signal
    }
}
