// What is shown of a session: names and values in one order, as lines or as a JSON object.

import ArgumentParser
import Glibc
import HoldfastClient

struct Report {
    enum Value {
        case text(String)
        case number(Int64)
        /// A moment: shown as the time from now, in JSON as milliseconds since 1970.
        case time(Timestamp)
        case none
        case fields([String: [UInt8]])
    }

    private let rows: [(name: String, value: Value)]

    init(_ rows: [(name: String, value: Value)]) { self.rows = rows }

    init(_ session: Session) {
        self.init([("id", .text(session.token.rawValue))] + Self.rows(session.state))
    }

    init(_ state: SessionState) { self.init(Self.rows(state)) }

    init(_ session: ValidSession) {
        var rows: [(name: String, value: Value)] = [("status", .text("valid"))]
        rows += Self.rows(session.state)
        rows += [
            ("issued-at", .time(session.issuedAt)), ("aal", .number(Int64(session.assurance))),
        ]
        if session.mustRotate { rows.append(("rotate", .number(1))) }
        rows.append(("fields", .fields(session.fields)))
        self.init(rows)
    }

    init(_ session: SessionInfo) {
        self.init([
            ("handle", .text(session.handle.rawValue)), ("version", .number(session.version)),
            ("created-at", .time(session.createdAt)), ("issued-at", .time(session.issuedAt)),
            ("last-used-at", .time(session.lastUsedAt)),
            ("idle-expires-at", session.idleExpiresAt.map { .time($0) } ?? .none),
            ("expires-at", .time(session.expiresAt)), ("ip", .text(session.ip)),
            ("agent", .text(session.agent)), ("device", .text(session.device)),
            ("aal", .number(Int64(session.assurance))),
        ])
    }

    init(fields: [String: [UInt8]]) {
        self.init(fields.sorted { $0.key < $1.key }.map { ($0.key, .text(Self.text($0.value))) })
    }

    private static func rows(_ state: SessionState) -> [(name: String, value: Value)] {
        [
            ("handle", .text(state.handle.rawValue)), ("subject", .text(state.subject)),
            ("version", .number(state.version)), ("created-at", .time(state.createdAt)),
            ("idle-expires-at", state.idleExpiresAt.map { .time($0) } ?? .none),
            ("expires-at", .time(state.expiresAt)),
        ]
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    var text: String {
        rows.map { row in
            let name = row.name.padded(18)
            switch row.value {
            case .text(let text): return name + text
            case .number(let number): return name + "\(number)"
            case .time(let time): return name + Self.words(time)
            case .none: return name + "never"
            case .fields(let fields):
                let sorted = fields.sorted { $0.key < $1.key }
                return sorted.map { "  " + $0.key.padded(16) + Self.text($0.value) }
                    .joined(separator: "\n")
            }
        }.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    var json: String {
        let members = rows.map { row in
            let value =
                switch row.value {
                case .text(let text): text.quoted
                case .number(let number): "\(number)"
                case .time(let time): "\(time.millisecondsSince1970)"
                case .none: "null"
                case .fields(let fields): Report(fields: fields).json
                }
            return row.name.quoted + ":" + value
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    /// How far from now, by this machine's clock: good enough to read.
    private static func words(_ time: Timestamp) -> String {
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        let now = Timestamp(millisecondsSince1970: Int64(clock.tv_sec) * 1_000)
        let seconds = time.duration(since: now).components.seconds
        let size = seconds.magnitude
        let units: [(UInt64, String)] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")]
        let unit = units.first { size >= 2 * $0.0 } ?? (1, "s")
        let amount = "\(size / unit.0) \(unit.1)"
        return seconds < 0 ? "\(amount) ago" : "in \(amount)"
    }
}

/// Says that the session is not valid, and how it ended where that is known; the exit code for it.
func notValid(_ status: String, _ options: SessionOptionsGroup) -> ExitCode {
    options.show(Report([("status", .text(status))]))
    return ExitCode(1)
}

func notValid(_ answer: Validation, _ options: SessionOptionsGroup) -> ExitCode {
    switch answer {
    case .valid: return notValid("valid", options)
    case .expired: return notValid("expired", options)
    case .mismatch: return notValid("mismatch", options)
    case .unknown: return notValid("unknown", options)
    case .revoked(let how):
        options.show(
            Report([
                ("status", .text("revoked")), ("revoked-at", .time(how.at)),
                ("reason", .text(how.reason)), ("by", .text(how.by)),
            ])
        )
        return ExitCode(1)
    }
}
