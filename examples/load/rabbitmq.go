package main

import "context"

func (b *bench) startRabbitMQ(ctx context.Context, s *subject) error {
	_, err := findProgram("rabbitmq-server")
	return err
}
