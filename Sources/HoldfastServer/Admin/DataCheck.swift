// A data directory as a start would judge it, and more: LogStore's files, the machine in every
// snapshot, and the file of peers. For `holdfast verify`.

import LogStore
import PeerWire
import RaftCore
package import Sealing
import SessionMachine

package struct DataCheck: Sendable {
    /// Something that is not as it was written.
    package struct Problem: Hashable, Sendable {
        package var text: String
        package var consequence: Consequence
    }

    /// What a start does about it.
    package enum Consequence: Sendable {
        /// It goes on: something else says the same.
        case tolerated
        /// It sets the log aside and gets it again from other nodes, where there are any.
        case repaired
        /// It refuses.
        case refused

        fileprivate init(_ consequence: DirectoryReport.Consequence) {
            self =
                switch consequence {
                case .tolerated: .tolerated
                case .repaired: .repaired
                case .refused: .refused
                }
        }
    }

    /// Whose directory it is; nil where that cannot be read.
    package let owner: (cluster: String, node: UInt64)?
    package let groupCount: Int
    /// Rows of the log that are sound, and their bytes.
    package let rows: Int
    package let rowBytes: Int
    package let entries: Int
    /// Snapshots that are sound, and their bytes.
    package let snapshots: Int
    package let snapshotBytes: UInt64
    /// Whether some of it is stored in clear.
    package let isClear: Bool
    /// The ids of the keys that are needed to read it, sorted.
    package let keys: [String]
    /// The first bad place first.
    package private(set) var problems: [Problem]

    /// Reads all of the directory at `path`, and changes nothing. `progress` is told what is being
    /// read, how many are done, and of how many. `source` has the keys of what is sealed. Throws
    /// where the directory cannot be judged.
    package static func run(
        _ path: String,
        keys source: KeySource?,
        progress: @escaping (_ what: String, _ done: Int, _ total: Int) -> Void
    ) throws(StartError) -> DataCheck {
        let keys = try NodeKeys.read(AtRest(source: source, seals: false)).keys
        let report: DirectoryReport
        do {
            report = try DirectoryCheck.run(path, keys: keys, progress: progress) {
                (reader) throws(LogStoreError) in
                _ = try SessionMachine.load(from: reader.sections, unsound: reader.unsound)
            }
        } catch {
            throw .reason(FatalReason(error))
        }
        var check = DataCheck(report)
        if let problem = try problemOfPeers(path, report) { check.problems.append(problem) }
        return check
    }

    private init(_ report: DirectoryReport) {
        owner = report.node.map { ($0.cluster.text, $0.node.rawValue) }
        groupCount = report.groupCount
        rows = report.rows
        rowBytes = report.rowBytes
        entries = report.entries
        snapshots = report.snapshots
        snapshotBytes = report.snapshotBytes
        isClear = report.keys.contains(nil)
        keys = report.keys.compactMap { $0.map { "\($0)" } }.sorted()
        problems = report.findings.map {
            Problem(text: "\($0.damage)", consequence: Consequence($0.consequence))
        }
    }

    private static func problemOfPeers(
        _ path: String,
        _ report: DirectoryReport
    ) throws(StartError) -> Problem? {
        // A start that was cut short may not have come so far.
        guard let identity = report.node, report.rows > 0 else { return nil }
        let own = Hello(
            of: identity,
            groupCount: report.groupCount,
            incarnation: report.incarnation
        )
        do {
            guard try PeerAdmissions.peersMet(by: own, in: path) == nil else { return nil }
            return Problem(text: "\(path)/peers is missing.", consequence: .refused)
        } catch {
            guard case .reason(.damage(let text)) = error else { throw error }
            return Problem(text: text, consequence: .refused)
        }
    }
}
