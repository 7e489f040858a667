package console

import "net/http"

// overview shows the way of events, and how the bridge stands.
func (c *console) overview(w http.ResponseWriter, r *http.Request) {
	c.show(w, "overview", "Overview", nil)
}
