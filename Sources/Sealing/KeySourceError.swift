// Why no ring comes from where it should. The descriptions say what to do next. Of what a command
// was told only its first word is repeated, and of what it printed nothing: either may hold
// secrets.

import Glibc

/// How a command ended.
package enum CommandEnding: Hashable, Sendable {
    case exitCode(CInt)
    case signal(CInt)
    /// Somebody else in this process has waited for it.
    case unknown

    /// From what `waitpid` says of an ended process.
    init(status: CInt) {
        let signal = status & 0x7f
        self = signal == 0 ? .exitCode((status >> 8) & 0xff) : .signal(signal)
    }
}

/// Why a keys file or a command gives no ring.
package enum KeySourceError: Error, Hashable, Sendable {
    // Of a file.

    /// Nothing has this name.
    case missingFile(String)
    /// A directory, a pipe, or, where it shall be written, a link.
    case notAFile(String)
    /// It belongs to somebody who is neither this process's user nor root.
    case otherOwner(String, owner: UInt32)
    /// Others than its owner may use it.
    case openToOthers(String, mode: UInt32)
    /// A call to the operating system failed.
    case io(call: String, path: String, reason: String)
    /// What is in the file, or what the command printed, is no ring.
    case unreadable(source: String, KeyRingError)

    // Of a command.

    /// There is no word, the first is empty, or one has a zero byte in it.
    case noCommand
    /// It could not be started.
    case notStarted(command: String, reason: String)
    /// Its exit code was not 0.
    case failed(command: String, ending: CommandEnding, complaint: String)
    /// It had not ended in time, and was killed.
    case timedOut(command: String, limit: Duration, complaint: String)
    /// It printed too much, and was killed.
    case tooMuchOutput(command: String, complaint: String)

    /// The failure of the latest call to the operating system.
    static func last(_ call: String, _ path: String) -> KeySourceError {
        .io(call: call, path: path, reason: String(cString: strerror(errno)))
    }
}

extension CommandEnding: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exitCode(let code): "exit code \(code)"
        case .signal(let number): "signal \(number)"
        case .unknown: "an unknown exit code"
        }
    }
}

extension KeySourceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missingFile(let path):
            "there is no keys file \(path). 'holdfast keys new \(path)' makes one; a node of a "
                + "cluster that has one needs a copy of that."
        case .notAFile(let path):
            "\(path) is no regular file. Name the keys file itself."
        case .otherOwner(let path, let owner):
            "\(path) belongs to the user \(owner). Run this as that user, or give the file to the "
                + "one who runs it: chown USER \(path)"
        case .openToOthers(let path, let mode):
            "\(path) can be used by others than its owner (mode \(String(mode, radix: 8))); "
                + "whoever has read it has the keys. Run: chmod 600 \(path)"
        case .io(let call, let path, let reason):
            "\(call) of \(path) failed: \(reason). See to it, and try again."
        case .unreadable(let source, let error):
            "\(source): \(error)"
        case .noCommand:
            Self.command("is no list of words that begins with a program")
        case .notStarted(let command, let reason):
            Self.command("\(command) cannot be started: \(reason)")
        case .failed(let command, let ending, let complaint):
            Self.command("\(command) ended with \(ending)", complaint)
        case .timedOut(let command, let limit, let complaint):
            Self.command("\(command) had not ended after \(limit)", complaint)
        case .tooMuchOutput(let command, let complaint):
            Self.command(
                "\(command) printed more than \(Limits.commandOutputBytesMax) bytes",
                complaint
            )
        }
    }

    private static func command(_ failure: String, _ complaint: String? = nil) -> String {
        var text = "the keys command \(failure)"
        if let complaint {
            text += complaint.isEmpty ? ", and said nothing" : ", and said: \(complaint)"
        }
        return text + ". Run it by hand as this user: it must print what a keys file holds."
    }
}
