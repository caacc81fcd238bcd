// One command, from its start to its end: what it prints is collected, in bounds, and it is killed
// when it takes too long or prints too much.
//
// In: words and a time. Out: how it ended, and what it printed. It must never leave a child process
// or a descriptor behind, must never run a shell, and must never wait for anything without a bound.
// It blocks its thread, and looks at the child every few milliseconds instead of waiting for
// signals, which belong to the whole process.

import Foundation
import Glibc

/// What became of a command.
struct CommandResult {
    enum Outcome {
        case ended(CommandEnding)
        case timedOut
        case tooMuchOutput
    }

    var outcome: Outcome
    var output: [UInt8]
    var complaint: String
}

enum CommandRun {
    /// Runs the command of these words, the first of which is a path, or is looked for in PATH.
    static func run(
        _ words: [String],
        limit: Duration
    ) throws(KeySourceError) -> CommandResult {
        var output = try PipeEnds(for: words[0])
        defer { output.close() }
        var complaints = try PipeEnds(for: words[0])
        defer { complaints.close() }
        let pid = try spawn(words, output: output.writing, complaints: complaints.writing)
        // The child has its own; with these open there would be no end of its output.
        output.closeWriting()
        complaints.closeWriting()
        var child = Child(pid: pid, output: output.reading, complaints: complaints.reading)
        return child.watch(until: .now + limit)
    }

    /// Starts the child: nothing on its standard input, a process group of its own, no signal that
    /// is ignored or blocked here, and this process's environment.
    private static func spawn(
        _ words: [String],
        output: CInt,
        complaints: CInt
    ) throws(KeySourceError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let codes = [
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
            posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO),
            posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO),
        ]
        for code in codes where code != 0 { throw notStarted(words, code) }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        describe(&attributes)

        var argv = words.map { strdup($0) }
        argv.append(nil)
        defer { for word in argv { free(word) } }
        // Foundation, because Swift 6 does not let anybody touch C's `environ`.
        var variables = ProcessInfo.processInfo.environment.map { strdup("\($0)=\($1)") }
        variables.append(nil)
        defer { for variable in variables { free(variable) } }

        var pid: pid_t = 0
        let code = posix_spawnp(&pid, words[0], &actions, &attributes, argv, variables)
        guard code == 0 else { throw notStarted(words, code) }
        return pid
    }

    private static func describe(_ attributes: inout posix_spawnattr_t) {
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // A group of its own, so that what it has started is killed with it.
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    private static func notStarted(_ words: [String], _ code: CInt) -> KeySourceError {
        .notStarted(command: words[0], reason: String(cString: strerror(code)))
    }
}

/// The two ends of a pipe, which the child does not get unless it is given them. -1 when closed.
private struct PipeEnds {
    private(set) var reading: CInt
    private(set) var writing: CInt

    init(for command: String) throws(KeySourceError) {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw .notStarted(command: command, reason: String(cString: strerror(errno)))
        }
        // Not in one step with the opening (Swift does not see pipe2): a process that another
        // thread starts in between holds these ends too. `Child` therefore does not need the end of
        // file.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        reading = ends[0]
        writing = ends[1]
    }

    mutating func closeWriting() {
        if writing >= 0 { Glibc.close(writing) }
        writing = -1
    }

    mutating func close() {
        closeWriting()
        if reading >= 0 { Glibc.close(reading) }
        reading = -1
    }
}

/// A command that runs, and what it has printed so far.
private struct Child {
    /// How long nothing is looked at, at most.
    private static let pauseMilliseconds: CInt = 5
    /// How long a killed child is waited for. It is gone at once, unless it has become another
    /// user's or hangs in the disk; then it is left, which is better than to hang with it.
    private static let killPatience = Duration.seconds(1)

    private let pid: pid_t
    /// Standard output and standard error; -1, which `poll` passes over, where it has ended.
    private var streams: [pollfd]
    /// Set when the process has been waited for, and its number may be another's.
    private var ending: CommandEnding?
    private var output: [UInt8] = []
    private var complaint = Complaint()
    private var chunk = [UInt8](repeating: 0, count: 16 * 1024)

    init(pid: pid_t, output: CInt, complaints: CInt) {
        self.pid = pid
        streams = [output, complaints].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    }

    /// Returns when the child has ended, by itself or not.
    mutating func watch(until deadline: ContinuousClock.Instant) -> CommandResult {
        let outcome = outcome(until: deadline)
        kill()
        return CommandResult(outcome: outcome, output: output, complaint: complaint.text)
    }

    private mutating func outcome(
        until deadline: ContinuousClock.Instant
    ) -> CommandResult.Outcome {
        while true {
            // In this order: what a child printed before its end is there once it has ended.
            reap()
            let hasMore = receive(waiting: ending == nil ? Self.pauseMilliseconds : 0)
            if output.count > Limits.commandOutputBytesMax { return .tooMuchOutput }
            // Not the end of the streams: something that the command has left running may keep
            // them.
            if let ending, !hasMore { return .ended(ending) }
            if ContinuousClock.now >= deadline { return .timedOut }
        }
    }

    /// Takes what is there, or comes within that time. Answers whether there was anything.
    private mutating func receive(waiting milliseconds: CInt) -> Bool {
        let count = poll(&streams, nfds_t(streams.count), milliseconds)
        // An interruption: who calls this looks at the time and comes again.
        guard count >= 0 else { return true }
        for place in streams.indices where streams[place].revents != 0 {
            let bytes = read(streams[place].fd, &chunk, chunk.count)
            if bytes > 0 {
                take(chunk[..<bytes], from: place)
            } else if bytes == 0 || errno != EINTR {
                streams[place].fd = -1
            }
        }
        return count > 0
    }

    private mutating func take(_ bytes: ArraySlice<UInt8>, from place: Int) {
        if place == 0 {
            output += bytes
        } else {
            complaint.append(bytes)
        }
    }

    /// Looks whether the child has ended, and lets the system forget it then.
    private mutating func reap() {
        guard ending == nil else { return }
        var status: CInt = 0
        let found = waitpid(pid, &status, WNOHANG)
        if found == pid {
            ending = CommandEnding(status: status)
        } else if found < 0, errno != EINTR {
            ending = .unknown
        }
    }

    /// Ends what has not ended. Until it has been waited for its number, and so its group's, is its
    /// own.
    private mutating func kill() {
        guard ending == nil else { return }
        Glibc.kill(-pid, SIGKILL)
        let deadline = ContinuousClock.now + Self.killPatience
        while true {
            reap()
            guard ending == nil, ContinuousClock.now < deadline else { return }
            poll(nil, 0, Self.pauseMilliseconds)
        }
    }
}
