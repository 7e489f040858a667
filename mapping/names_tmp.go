package mapping

import "regexp"

var captureName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
