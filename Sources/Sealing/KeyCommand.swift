// A ring from a command: for operators who keep their keys in a vault, a key service or a card, and
// not on the node's disk. What the command prints has the form of a keys file.
//
// In: the command's words. Out: the ring. It must never repeat what the command was told or
// printed.

/// Runs a command that prints a ring.
package enum KeyCommand {
    /// What a command may take: a vault that is far away and asked a second time.
    package static let limit = Duration.seconds(30)

    /// The ring that the command prints. `words` are its program and its arguments, which no shell
    /// reads. Blocks the thread for `limit` at most, and a second where the command resists.
    package static func run(
        _ words: [String],
        limit: Duration = KeyCommand.limit
    ) throws(KeySourceError) -> KeyRing {
        // C's strings end at a zero byte: such a word would be another word there.
        guard let command = words.first, !command.isEmpty,
            !words.contains(where: { $0.utf8.contains(0) })
        else { throw .noCommand }
        let result = try CommandRun.run(words, limit: limit)
        switch result.outcome {
        case .ended(.exitCode(0)):
            break
        case .ended(let ending):
            throw .failed(command: command, ending: ending, complaint: result.complaint)
        case .timedOut:
            throw .timedOut(command: command, limit: limit, complaint: result.complaint)
        case .tooMuchOutput:
            throw .tooMuchOutput(command: command, complaint: result.complaint)
        }
        do {
            return try KeyRing(decoding: result.output)
        } catch {
            throw .unreadable(source: command, error)
        }
    }
}
