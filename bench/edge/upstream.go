package main

import (
	"bufio"
	"errors"
	"io"
	"net"
)

// page is what the upstream answers to everything. It is as small as can be, so that what the proxies do
// with headers is not lost beside the copying of a body.
const page = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 6\r\n\r\nhello\n"

// playUpstream is an application that costs next to nothing: it reads a header and answers, without
// net/http, whose own cost would dampen every difference between the proxies in front of it. It takes GET
// requests alone, because they have no body. Asked, it says where it listens.
func playUpstream(in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerAll(conn)
		}
	}()
	return serve(in, out, func(struct{}) (string, error) { return listener.Addr().String(), nil })
}

func answerAll(conn net.Conn) {
	defer conn.Close()
	requests := bufio.NewReaderSize(conn, 8<<10)
	for skipHeader(requests) == nil {
		if _, err := io.WriteString(conn, page); err != nil {
			return
		}
	}
}

// skipHeader reads up to and with the empty line.
func skipHeader(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull): // a long line goes on
		case err != nil:
			return err
		case len(line) <= 2:
			return nil
		}
	}
}
