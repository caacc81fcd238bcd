// A growing array in pages of 256 elements, for tables that are written while a snapshot reads
// them.
//
// A copy shares all pages. The first write to the copy or the original duplicates the list of pages
// (one pointer for 256 elements) and the one page it touches; so a snapshot costs the writer
// microseconds here and there, where a flat array would cost it one copy of everything. Growth
// never moves a page.

struct PagedArray<Element: Sendable>: Sendable {
    private var pages: [[Element]] = []
    private(set) var count = 0

    private static var pageShift: Int { 8 }
    private static var pageSize: Int { 1 << pageShift }
    private static var pageMask: Int { pageSize - 1 }

    subscript(index: Int) -> Element {
        @inline(__always)
        get { pages[index >> Self.pageShift][index & Self.pageMask] }
        @inline(__always)
        _modify { yield &pages[index >> Self.pageShift][index & Self.pageMask] }
    }

    mutating func append(_ element: Element) {
        let page = count >> Self.pageShift
        if page == pages.count {
            pages.append([])
            // The first page grows as it fills: an empty group must stay small.
            if page > 0 { pages[page].reserveCapacity(Self.pageSize) }
        }
        pages[page].append(element)
        count += 1
    }

    /// Removes the last element. The array must not be empty.
    mutating func removeLast() -> Element {
        precondition(count > 0)
        count -= 1
        let page = count >> Self.pageShift
        let element = pages[page].removeLast()
        if pages[page].isEmpty { pages.removeLast() }
        return element
    }
}
