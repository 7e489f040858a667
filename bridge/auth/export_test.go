package auth

// Kept returns how many logins, networks and good passwords b remembers.
func (b *Broker) Kept() (logins, networks, good int) {
	return len(b.limit.logins), len(b.limit.networks), len(b.good)
}
