// The one error of the client. It says two separate things: what happened (`code`), and what is
// known of the effect (`outcome`). It must never call an outcome `notDone` that only may be so,
// and never carry a session token or a value in its text.

/// Why a call gave no answer.
///
/// A normal outcome, such as "this session is revoked", is a value and not an error. An error means
/// "could not", and ``outcome`` says whether the cluster may have carried the call out all the
/// same.
public struct HoldfastError: Error, Hashable, Sendable {
    /// What happened. Later versions may add codes, so a `switch` over them needs a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Name: String {
            case refused, outcomeUnknown, deadlineExceeded, cancelled, shutdown
            case protocolViolation, invalidArgument
        }

        private var name: Name
        private init(_ name: Name) { self.name = name }

        /// The cluster understood the call and said no; see ``HoldfastError/refusal``.
        public static let refused = Code(.refused)
        /// The connection died, or the leader changed, after the call was sent. It may or may not
        /// have taken effect, and it is of a kind that is not safe to repeat unasked.
        public static let outcomeUnknown = Code(.outcomeUnknown)
        /// The call's deadline passed. ``HoldfastError/message`` has what went wrong last.
        public static let deadlineExceeded = Code(.deadlineExceeded)
        /// The calling task was cancelled.
        public static let cancelled = Code(.cancelled)
        /// The client is shutting down, or has.
        public static let shutdown = Code(.shutdown)
        /// The server answered something that this client cannot read.
        public static let protocolViolation = Code(.protocolViolation)
        /// An argument is outside its documented range. Nothing was sent.
        public static let invalidArgument = Code(.invalidArgument)

        /// The code's name.
        public var description: String { name.rawValue }
    }

    /// What is known of the call's effect.
    public enum Outcome: Hashable, Sendable {
        /// Certain: the call changed nothing, and no late copy of it will.
        case notDone
        /// The call may have taken effect, or may still do so.
        case unknown
    }

    /// The first word of the server's error, such as `CONFLICT`. Later servers may send others.
    public struct Refusal: Hashable, Sendable, CustomStringConvertible {
        /// The word as the server sent it.
        public var rawValue: String

        /// The refusal of that word.
        ///
        /// - Parameter rawValue: The first word of an error reply, in upper case.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// The id is another session's, or was that of a session which ended.
        public static let conflict = Refusal(rawValue: "CONFLICT")
        /// The subject has as many sessions as it may.
        public static let limit = Refusal(rawValue: "LIMIT")
        /// The cluster's memory is full: nothing new is taken, what is there goes on.
        public static let full = Refusal(rawValue: "OOM")
        /// This client may not do that.
        public static let notPermitted = Refusal(rawValue: "NOPERM")
        /// A mistake in the call; the message says which.
        public static let error = Refusal(rawValue: "ERR")

        /// The word itself.
        public var description: String { rawValue }
    }

    /// What happened.
    public var code: Code
    /// What is known of the call's effect. A call that only reads changes nothing in any case.
    public var outcome: Outcome
    /// A sentence for logs. Has no secrets in it; its wording may change.
    public var message: String
    /// The server's word when ``code`` is `refused`, else nil.
    public var refusal: Refusal?

    /// An error of the given parts; useful in tests of code that calls this client.
    ///
    /// - Parameters:
    ///   - code: What happened.
    ///   - outcome: What is known of the call's effect.
    ///   - message: A sentence for logs.
    ///   - refusal: The server's word when `code` is `refused`.
    public init(_ code: Code, outcome: Outcome, message: String, refusal: Refusal? = nil) {
        self.code = code
        self.outcome = outcome
        self.message = message
        self.refusal = refusal
    }
}

extension HoldfastError: CustomStringConvertible {
    /// Code, outcome and message on one line.
    public var description: String {
        let effect = outcome == .notDone ? "nothing was done" : "the outcome is unknown"
        return "\(code) (\(effect)): \(message)"
    }
}

extension HoldfastError {
    static func invalid(_ message: String) -> HoldfastError {
        HoldfastError(.invalidArgument, outcome: .notDone, message: message)
    }
}
