// One call from its words to its reply: attempt after attempt, as CallProgress decides. The words
// are encoded once, so every attempt asks for exactly the same.

package import HoldfastWire
import NIOCore

extension HoldfastClient {
    /// Sends a command and returns its reply, which is never an error reply.
    ///
    /// - Parameters:
    ///   - words: The command.
    ///   - slot: The slot of its key; nil for a command that any node answers.
    ///   - effect: What a repetition could do.
    ///   - deadline: For the whole call; nil for the configuration's.
    package func command(
        _ words: [[UInt8]],
        slot: UInt16?,
        effect: CallEffect,
        deadline: Duration? = nil
    ) async throws(HoldfastError) -> RESPValue {
        let deadline = deadline ?? configuration.deadline
        guard deadline > .zero, deadline <= Limits.deadlineMax else {
            throw .invalid("a deadline is above zero and at most a hundred years")
        }
        try enter()
        defer { leave() }
        let end = NIODeadline.now() + TimeAmount(deadline)
        var bytes = ByteBuffer()
        RequestEncoder.encode(words, into: &bytes)
        return try await attempt(bytes, slot, CallProgress(effect: effect, deadline: end), end)
    }

    private func attempt(
        _ bytes: ByteBuffer,
        _ slot: UInt16?,
        _ start: CallProgress,
        _ deadline: NIODeadline
    ) async throws(HoldfastError) -> RESPValue {
        var progress = start
        var target: NodeAddress?
        var avoided: NodeAddress?
        while true {
            let found = router.node(for: slot, target: target, avoided: avoided, now: .now())
            guard let node = found else { throw progress.shutDown() }
            let action: CallProgress.Action
            switch await ask(node, bytes, deadline) {
            case .success(let reply):
                learn(from: reply, by: node.address)
                action = progress.answered(
                    reply,
                    by: node.address,
                    now: .now(),
                    jitter: .random(in: 0..<1_024)
                )
            case .failure(let failure):
                action = progress.failed(
                    failure,
                    at: node.address,
                    now: .now(),
                    jitter: .random(in: 0..<1_024)
                )
            }
            switch action {
            case .finish(let reply): return reply
            case .fail(let error): throw error
            case .retry(let retry):
                if retry.isMapDoubtful { router.wishForMap() }
                (target, avoided) = (retry.target, retry.avoided)
                guard await paused(for: retry.pause) else { throw progress.cancelled() }
            }
        }
    }

    private func ask(
        _ node: Node,
        _ bytes: ByteBuffer,
        _ deadline: NIODeadline
    ) async -> Result<RESPValue, AttemptFailure> {
        switch node.connection(now: .now()) {
        case .success(let connection): await connection.request(bytes, deadline: deadline)
        case .failure(let failure): .failure(failure)
        }
    }

    private func learn(from reply: RESPValue, by address: NodeAddress) {
        guard case .error(let text) = reply else { return }
        guard case .moved(let slot, let leader) = ServerError(text, answeredBy: address) else {
            return
        }
        router.learn(leader: leader, of: slot)
    }

    /// False when the task was cancelled meanwhile.
    private func paused(for pause: TimeAmount) async -> Bool {
        guard pause > .zero else { return !Task.isCancelled }
        return await Router.slept(for: .nanoseconds(pause.nanoseconds))
    }
}
