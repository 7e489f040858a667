package value

// Types is a set of types that a value may have: what is known of it before there is an event.
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

	TypeNumber    = TypeWhole | TypeFraction
	AnyType       = TypeSomething | TypeNothing
	TypeSomething = TypeText | TypeNumber | TypeTime | TypeBool | TypeList | TypeObject
)

// String names a single type for people, as TypeName does for a value.
func (t Types) String() string {
	switch t {
	case TypeText:
		return "text"
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
