// Collector runs the OTLP receiver of the OpenTelemetry Collector and writes each request as one line of OTLP JSON to
// standard output. The first line is {"grpc": "host:port", "http": "host:port"}; it is written once both listen. It ends
// with its standard input.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/otel/metric/noop"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

type host struct{}

func (host) GetExtensions() map[component.ID]component.Component { return nil }

var output sync.Mutex

func write(line []byte, err error) error {
	if err != nil {
		return err
	}
	output.Lock()
	defer output.Unlock()
	_, err = os.Stdout.Write(append(line, '\n'))
	return err
}

func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer listener.Close()
	return listener.Addr().String()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx := context.Background()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	grpc, http := freeAddress(), freeAddress()
	config.Protocols.GRPC.GetOrInsertDefault().NetAddr.Endpoint = grpc
	config.Protocols.HTTP.GetOrInsertDefault().ServerConfig.NetAddr.Endpoint = http
	settings := receiver.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(),
			TracerProvider: nooptrace.NewTracerProvider(),
			MeterProvider:  noop.NewMeterProvider(),
		},
	}
	traces, err := consumer.NewTraces(func(_ context.Context, data ptrace.Traces) error {
		return write((&ptrace.JSONMarshaler{}).MarshalTraces(data))
	})
	check(err)
	metrics, err := consumer.NewMetrics(func(_ context.Context, data pmetric.Metrics) error {
		return write((&pmetric.JSONMarshaler{}).MarshalMetrics(data))
	})
	check(err)
	// Both signals share one server.
	forTraces, err := factory.CreateTraces(ctx, settings, config, traces)
	check(err)
	forMetrics, err := factory.CreateMetrics(ctx, settings, config, metrics)
	check(err)
	check(forTraces.Start(ctx, host{}))
	check(forMetrics.Start(ctx, host{}))
	check(write([]byte(fmt.Sprintf(`{"grpc":%q,"http":%q}`, grpc, http)), nil))
	io.Copy(io.Discard, os.Stdin)
	check(forMetrics.Shutdown(ctx))
	check(forTraces.Shutdown(ctx))
}
