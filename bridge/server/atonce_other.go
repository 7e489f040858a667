//go:build !unix

package server

import (
	"net"
	"syscall"
)

func rawConn(net.Conn) syscall.RawConn { return nil }

func writeAtOnce(syscall.RawConn, []byte) (int, error) { return 0, nil }
