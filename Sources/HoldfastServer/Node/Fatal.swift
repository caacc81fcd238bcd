// How a node ends when it must not go on. Each reason has an exit code of its own, so that a
// supervisor and an operator can tell "look at the disk" from "look at the configuration". The
// codes follow sysexits.h where it has one.

import Glibc
import LogStore

/// Why the process stops at once.
package enum FatalReason: Sendable {
    /// A flag or argument makes no sense.
    case usage(String)
    /// The data directory has lost or changed something durable.
    case damage(String)
    /// A port is in use.
    case unavailable(String)
    /// A safety rule of consensus was broken; going on could make replicas differ.
    case violation(String)
    /// This node's state is not that of the other nodes: its memory or its disk has changed it.
    case diverged(String)
    /// Something happened that cannot; not the operator's fault.
    case bug(String)
    /// The data directory is not this node's, or in use.
    case refused(String)
    /// The disk failed; what reached it is unknown.
    case disk(String)
    /// The configuration file has a mistake.
    case configuration(String)

    package var exitCode: Int32 {
        switch self {
        case .usage: 64
        case .damage: 65
        case .unavailable: 69
        case .violation, .bug: 70
        case .refused: 73
        case .disk: 74
        case .diverged: 76
        case .configuration: 78
        }
    }

    package var message: String {
        switch self {
        case .usage(let text), .damage(let text), .unavailable(let text), .violation(let text),
            .diverged(let text), .bug(let text), .refused(let text), .disk(let text),
            .configuration(let text):
            text
        }
    }
}

extension FatalReason {
    /// What an error of the log store means to a supervisor.
    init(_ error: LogStoreError) {
        let text = "\(error)"
        switch error {
        case .damage: self = .damage(text)
        case .missingKey, .noRoomToSeal: self = .configuration(text)
        case .io, .namesNotDurable: self = .disk(text)
        case .otherCluster, .otherNode, .otherGroupCount, .unknownFormat, .inUse, .setting:
            self = .refused(text)
        case .entryTooLarge, .unsoundSnapshot, .closed: self = .bug(text)
        }
    }
}

/// Says why, and ends the process without running anything else: what is in memory may be wrong.
package func fatal(_ reason: FatalReason, as program: String = "holdfastd") -> Never {
    let line = Array("\(program): \(reason.message)\n".utf8)
    // Standard error is unbuffered, and there is nobody to tell if it is closed.
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    _exit(reason.exitCode)
}
