package value

// Types is the set of types that a value may have, as far as they are known at load.
type Types uint16

// The types.
const (
	TypeText Types = 1 << iota
	TypeWhole
	TypeFraction
	TypeTime
	TypeBool
	TypeList
	TypeObject
	TypeNothing
	TypeBytes

	TypeNumber    = TypeWhole | TypeFraction
	AnyType       = TypeSomething | TypeNothing
	TypeSomething = TypeText | TypeBytes | TypeNumber | TypeTime | TypeBool | TypeList | TypeObject
)

// String names a single type for people as TypeName does for a value. Of a set it says nothing
// useful.
func (t Types) String() string {
	switch t {
	case TypeText:
		return "text"
	case TypeBytes:
		return "bytes"
	case TypeTime:
		return "a time"
	case TypeBool:
		return "true or false"
	case TypeList:
		return "a list"
	case TypeObject:
		return "an object"
	case TypeNothing:
		return "nothing"
	}
	return "a number"
}
