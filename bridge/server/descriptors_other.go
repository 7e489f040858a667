//go:build !unix

package server

func maxDescriptors() int { return 0 }
