// How many bytes a store writes for each byte of a command: counted by the kernel, for this thread
// alone, checkpoints included. The numbers depend on SQLite and the batches only, not on the
// machine.

import Foundation
import RaftCore
import Testing

@testable import LogStore

@Suite("Bytes written to the disk")
struct WriteAmplificationTests {
    /// A session of 256 bytes, with what a command adds to it.
    private static let commandBytes = 320

    @Test(
        "for each byte of a command, by entries in a batch",
        arguments: [(entries: 1, commits: 8_000, most: 18.0), (16, 2_000, 4.2), (256, 200, 2.4)]
    )
    func amplification(entries: Int, commits: Int, most: Double) throws {
        let directory = TemporaryDirectory()
        let store = try start(directory, groups: 1).store
        var index = LogIndex.zero
        let before = try Self.bytesWritten()
        for _ in 0..<commits {
            let batch = (0..<entries).map { _ in
                index = index.next
                return Entry(term: Term(1), index: index, content: .command(Self.command(index)))
            }
            let mark = PersistMark(hardStateTerm: Term(1), last: batch[entries - 1].position)
            let persist = PersistBatch(
                mark: mark,
                hardState: HardState(term: Term(1)),
                base: nil,
                entries: batch
            )
            try store.store([(GroupID(0), persist)])
        }
        try store.checkpoint()
        let written = try Self.bytesWritten() - before
        let payload = entries * commits * Self.commandBytes
        let ratio = Double(written) / Double(payload)
        print(
            """
            \(entries) entries a batch: \(written) bytes for \(payload) bytes of commands, \
            \(String(format: "%.1f", ratio)) for each
            """
        )
        #expect(ratio <= most)
        #expect(ratio >= 1)
        #expect(store.statistics.checkpoints >= 1)
        try store.close()
    }

    /// As random as a session id and its attributes are: LZ4 finds next to nothing in it.
    private static func command(_ index: LogIndex) -> ArraySlice<UInt8> {
        var state = index.rawValue
        return (0..<commandBytes).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }[...]
    }

    /// Bytes that this thread has handed to write calls so far.
    private static func bytesWritten() throws -> Int {
        let text = try String(contentsOfFile: "/proc/thread-self/io", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("wchar:") }
        return try #require(line.flatMap { Int($0.dropFirst(7)) })
    }
}
