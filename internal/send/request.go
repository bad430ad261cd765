package send

const jsonType = "application/json"

// validName and validValue check what net/http would refuse only while sending the request
// (RFC 9110, sections 5.1 and 5.5).
func validName(name string) bool { return isToken([]byte(name)) }

func validValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
