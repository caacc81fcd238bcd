// An error reply's text, sorted by what it lets the caller do. The words are the server's promise:
// all but a refusal and an unknown outcome say that nothing was done.

enum ServerError: Equatable {
    /// Another node leads the slot.
    case moved(slot: UInt16, leader: NodeAddress)
    /// Nothing was done, for now: there is no leader, or slots are on their way.
    case notDone
    /// Nothing was done, for the server has too much to do.
    case overloaded
    /// The server does not know whether it was done.
    case unknown
    /// No, and asking again would not help.
    case refused(HoldfastError.Refusal, String)

    init(_ text: String, answeredBy address: NodeAddress) {
        let words = text.split(separator: " ", maxSplits: 1)
        let code = words.first.map(String.init) ?? ""
        let rest = words.count > 1 ? words[1] : ""
        switch code {
        case "MOVED":
            let parts = rest.split(separator: " ")
            if parts.count >= 2, let slot = UInt16(parts[0]), slot < 16_384,
                let leader = NodeAddress(moved: parts[1], answeredBy: address)
            {
                self = .moved(slot: slot, leader: leader)
            } else {
                self = .notDone
            }
        case "OVERLOADED", "BUSY": self = .overloaded
        case "TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "ASK": self = .notDone
        case "UNAVAILABLE":
            self = rest.contains("outcome is unknown") ? .unknown : .notDone
        default: self = .refused(HoldfastError.Refusal(rawValue: code), String(rest))
        }
    }
}
