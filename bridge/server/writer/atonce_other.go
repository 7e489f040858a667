//go:build !unix

package writer

import (
	"net"
	"syscall"
)

func rawConn(net.Conn) syscall.RawConn { return nil }

func writeAtOnce(syscall.RawConn, []byte) (int, error) { return 0, nil }
