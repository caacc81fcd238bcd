// `holdfast tour`: one session's life through the Swift client, with timings, and with the crash of
// the node that leads it in between. It fails, and says where, when a promise is not kept.

import ArgumentParser
import Glibc
import HoldfastClient
import HoldfastServer
import Logging

struct Tour: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A login, requests, a renewal, a crash of the leader, a logout.",
        discussion: "Exit code 0 when everything went as promised, else 1."
    )

    @OptionGroup var cluster: ClusterOptions

    @Option(help: "scripts/cluster, to crash and start a node with. Without it nothing crashes.")
    var clusterScript: String?

    func run() async throws {
        let nodes = cluster.load().nodes.map { (host: $0.host, port: $0.clusterPort) }
        let logger = Logger(label: "tour") { _ in SwiftLogNoOpLogHandler() }
        do {
            try await HoldfastClient.withClient(
                configuration: .init(seeds: nodes),
                logger: logger
            ) { client in
                try await Walk(client: client, script: clusterScript).all()
            }
        } catch let error as HoldfastError {
            complain("the cluster did not answer: \(error)")
            throw ExitCode(1)
        } catch let broken as BrokenPromise {
            complain("a promise was broken: \(broken.text)")
            throw ExitCode(1)
        }
    }
}

private struct BrokenPromise: Error { var text: String }

private struct Walk {
    let client: HoldfastClient
    let script: String?

    func all() async throws {
        let session = try await step("alice logs in") {
            try await client.sessions.create(for: "alice")
        }
        print("      her session is \(session.state.handle), her id stays secret")
        try await step("100 requests, each validated by the leader") {
            for _ in 0..<100 { try await mustBeValid(session.token) }
        }
        let renewal = try await step("she stays: the session is renewed") {
            try await client.sessions.renew(session.token, lifetime: .seconds(86_400))
        }
        guard case .renewed = renewal else {
            throw BrokenPromise(text: "a valid session could not be renewed: \(renewal)")
        }
        if let script { try await crash(script, session) }
        let isRevoked = try await step("alice logs out") {
            try await client.sessions.revoke(session.token, reason: "logout")
        }
        guard isRevoked else { throw BrokenPromise(text: "a live session could not be revoked") }
        let after = try await step("her old id is shown again") {
            try await client.sessions.validate(session.token)
        }
        guard case .revoked = after else {
            throw BrokenPromise(text: "a revoked session was answered \(after)")
        }
        print("      revoked, on every node, whatever fails next")
    }

    private func crash(_ script: String, _ session: Session) async throws {
        let leader = try shell([script, "leader", session.state.handle.rawValue])
        try await step("\(leader), which leads her session, is killed (kill -9)") {
            _ = try shell([script, "crash", leader])
        }
        try await step("her next request is answered by the new leader") {
            try await mustBeValid(session.token)
        }
        try await step("\(leader) is started again") {
            _ = try shell([script, "start", leader])
        }
    }

    private func mustBeValid(_ token: SessionToken) async throws {
        let validation = try await client.sessions.validate(token)
        guard case .valid = validation else {
            throw BrokenPromise(text: "a valid session was answered \(validation)")
        }
    }

    @discardableResult
    private func step<Result>(
        _ what: String,
        _ body: () async throws -> Result
    ) async throws -> Result {
        let start = ContinuousClock.now
        let result = try await body()
        let time = (ContinuousClock.now - start) / .milliseconds(1)
        let number = String(Int(time * 10))
        let tenths = number.count < 2 ? "0\(number)" : number
        let text = "\(tenths.dropLast()).\(tenths.suffix(1)) ms"
        print(String(repeating: " ", count: max(0, 12 - text.count)) + text + "  " + what)
        return result
    }

    /// Runs a command and returns the first line that it printed.
    private func shell(_ words: [String]) throws -> String {
        let command = words.map { "'\($0)'" }.joined(separator: " ")
        guard let pipe = popen(command, "r") else {
            throw BrokenPromise(text: "\(command) could not be run")
        }
        var line = [CChar](repeating: 0, count: 256)
        let hasLine = fgets(&line, Int32(line.count), pipe) != nil
        guard pclose(pipe) == 0 else { throw BrokenPromise(text: "\(command) failed") }
        let bytes = line.prefix { $0 != 0 && $0 != 0x0a }.map { UInt8(bitPattern: $0) }
        return hasLine ? String(decoding: bytes, as: UTF8.self) : ""
    }
}
