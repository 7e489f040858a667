package config

import "mqtt-stomp-bridge/bridge/auth"

// checkOpsLogin reads the file of passwords, and says what nobody could log in with. Keys for tokens
// may be in a variable where the bridge runs.
func (l *loader) checkOpsLogin(c *Config) {
	l.readPasswords(c)
	if s, ok := l.one("ops.login.required_claims"); ok && len(c.Auth.Providers) == 0 && l.wrong.Err() == nil {
		l.warnf(s, "add auth.jwt with a secret or public keys, or use password_file", "no token is accepted, as auth.jwt has no keys here")
	}
}

// readPasswords reads the logins of operators. Its mistakes are in that file.
func (l *loader) readPasswords(c *Config) {
	s, ok := l.one("ops.login.password_file")
	if !ok {
		return
	}
	data, ok := l.readFile(s)
	if !ok {
		return
	}
	passwords, errs := auth.ParsePasswords(data)
	l.addLineErrors(s, errs, "mosquitto_passwd -H sha512-pbkdf2 FILE NAME makes a line; with -U FILE it hashes the passwords that are in clear")
	if len(passwords)+len(errs) == 0 {
		l.errorf(s, "mosquitto_passwd FILE NAME makes a line", "%q holds no login, so nobody could log in", s.text)
	}
	c.Ops.Login.Passwords = passwords
}
