package memory

// Windows returns how many keys of dedupe the Store keeps.
func (s *Store) Windows() int { return len(s.windows.order) }
