// What other programs do with etcd: its own naming client for gRPC; and go-kratos, whose record is its ServiceInstance as
// JSON under /microservices/NAME/ID (its etcd registry itself is not to be had as a module). For tests; one thing a process.
//
//	naming-clients HOST:PORT grpc add TARGET ADDR        until stdin ends, under a lease; prints "ok"
//	naming-clients HOST:PORT grpc list TARGET            addresses by key, as JSON
//	naming-clients HOST:PORT kratos add NAME ID URL…     until stdin ends; prints "ok"
//	naming-clients HOST:PORT kratos list NAME            instances, as JSON
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-kratos/kratos/v2/registry"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
)

const (
	leaseSeconds = 5
	kratosPrefix = "/microservices/"
)

func main() {
	if len(os.Args) < 5 {
		fail(fmt.Errorf("usage: naming-clients HOST:PORT grpc|kratos add|list NAME …"))
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}, DialTimeout: 5 * time.Second})
	fail(err)
	defer client.Close()
	ctx, name, more := context.Background(), os.Args[4], os.Args[5:]
	switch os.Args[2] + " " + os.Args[3] {
	case "grpc add":
		manager, err := endpoints.NewManager(client, name)
		fail(err)
		key := name + "/" + more[0]
		endpoint := endpoints.Endpoint{Addr: more[0], Metadata: map[string]string{"by": "etcd"}}
		fail(manager.AddEndpoint(ctx, key, endpoint, clientv3.WithLease(lease(ctx, client))))
		untilStdinEnds()
		fail(manager.DeleteEndpoint(ctx, key))
	case "grpc list":
		manager, err := endpoints.NewManager(client, name)
		fail(err)
		list, err := manager.List(ctx)
		fail(err)
		show(list)
	case "kratos add":
		value, err := json.Marshal(&registry.ServiceInstance{
			ID: more[0], Name: name, Version: "v1", Metadata: map[string]string{"by": "kratos"}, Endpoints: more[1:],
		})
		fail(err)
		key := kratosPrefix + name + "/" + more[0]
		_, err = client.Put(ctx, key, string(value), clientv3.WithLease(lease(ctx, client)))
		fail(err)
		untilStdinEnds()
		_, err = client.Delete(ctx, key)
		fail(err)
	case "kratos list":
		answer, err := client.Get(ctx, kratosPrefix+name+"/", clientv3.WithPrefix())
		fail(err)
		list := []*registry.ServiceInstance{}
		for _, kv := range answer.Kvs {
			instance := &registry.ServiceInstance{}
			fail(json.Unmarshal(kv.Value, instance))
			list = append(list, instance)
		}
		show(list)
	default:
		fail(fmt.Errorf("unknown: %s %s", os.Args[2], os.Args[3]))
	}
}

// A lease that lives as long as this process.
func lease(ctx context.Context, client *clientv3.Client) clientv3.LeaseID {
	granted, err := client.Grant(ctx, leaseSeconds)
	fail(err)
	_, err = client.KeepAlive(ctx, granted.ID)
	fail(err)
	return granted.ID
}

func untilStdinEnds() {
	fmt.Println("ok")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func show(what any) {
	fail(json.NewEncoder(os.Stdout).Encode(what))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
