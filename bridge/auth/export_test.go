package auth

// Kept returns how many logins, places and good passwords b remembers.
func (b *Broker) Kept() (logins, places, good int) {
	return len(b.failures.logins), len(b.failures.places), len(b.good)
}
