// Package match decides which subscriptions an event is for. It is pure: it has no store, no
// network and no clock, and the same subscription and event always get the same result.
//
// A subscription matches an event if it is active, one of its event-type patterns fits
// (event.Wants), it shares a channel with the event or names none, and its filter is true.
// The rules are asked in this order, so that Reason names the first one that says no. A
// paused subscription matches, and its deliveries wait. An event that was handed in for one
// subscription (Event.Direct) passes the rule about channels.
//
// Start with Subscription.Match for the rules, Compile for filters, and Tenant for the index
// that finds 3 subscriptions among 10,000.
//
// # Filters
//
// A filter is JSON. At its top stand the parts of an event: "event" (its type), "data",
// "metadata", "channels" and "tenant". A nested object is a path, a plain value means equal:
//
//	{"data": {"amount": {"$gte": 100}, "customer": {"country": "DE"}}}
//
// All paths must hold. The operators are $eq, $neq, $gt, $gte, $lt, $lte, $in, $nin, $exist,
// $startsWith, $endsWith, $contains, $regex, $and, $or and $not. The syntax is the one of
// Hookdeck, Outpost and Convoy. These are the decisions where they differ or say nothing:
//
//   - Values of different types are never equal and never in an order: 1 is not "1" and not
//     true.
//   - Numbers are exact decimals of any length: 1, 1.0 and 10e-1 are equal,
//     9007199254740993 and 9007199254740992 are not.
//   - Texts are compared by code points, without normalization. $gt, $gte, $lt and $lte take
//     a number or a text.
//   - What is absent meets no comparison, not even with null. $exist asks for it; null is
//     present. What is no object has no members, so below null, a text or an absent value
//     everything is absent.
//   - $neq, $nin and $not hold exactly if $eq, $in or the condition does not. So they hold
//     for an absent value.
//   - A comparison with an array holds if it does for the array or one of its elements, and
//     so on in arrays within it. Comparisons that stand in one object hold for the same
//     element: {"prices": {"$gt": 1, "$lt": 3}} wants a price of, say, 2.
//   - A path into an array holds if it does for one element; paths that stand in one object
//     hold for the same element. An empty array has none, so no path into it holds. What
//     stands at the end of a path is about the element: {"items": {"id": {"$neq": 5}}} wants
//     an item that is not 5, {"items": {"$not": {"id": 5}}} that no item is.
//   - $and and $or judge each of their conditions by itself, so they may hold for different
//     elements. Both may stand at the top or below a path, and take plain values there.
//   - $eq with an array or an object wants the same one, whatever the order of an object's
//     members. A plain list means the same as $eq of it, not that each entry is contained.
//   - $contains with a text looks within a text; in an array it looks for an element that is
//     equal, and not within the elements.
//   - $startsWith and $endsWith take a list, too, of which one entry is enough.
//   - $regex is RE2 (Go's regexp), matches anywhere unless it is anchored, and (?i) at its
//     beginning ignores case.
//   - Names are literal, dots included. A name that begins with $ can't be a path.
//   - If the event's data has a name twice in one object, the last one counts, as with most
//     parsers. An escaped surrogate without its other half counts as U+FFFD. NUL is a
//     character like any other.
//   - {} matches every event. Everywhere else an empty object is refused, because it is
//     unclear; so are empty lists, an operator within a fixed value, a path beside an
//     operator, a name that is given twice, and numbers compared with a text of metadata.
//
// # Limits
//
// A filter has limits of its own (MaxFilterBytes and the constants beside it). Together with
// MaxSteps they bound the time that one filter takes for one event: a few milliseconds for
// what is usual in a body of 1 MiB, some tens for what is made to be slow. A filter that
// would take more steps does not match, even if it is a $not, and the reason says so; Match
// counts the steps without a clock, so this, too, is the same every time.
//
// An event's data is cut into tokens once, the first time that a filter looks at it, and only
// what a filter asks for is decoded. That takes up to 6 bytes of memory for each byte of
// data. A subscription without a filter reads nothing of it.
package match
