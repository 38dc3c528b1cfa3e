package testenv

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// RedisCluster is a cluster of three primaries with a replica each.
type RedisCluster struct {
	t     testing.TB
	Nodes []*Redis // the primaries to begin with, then their replicas in the same order
}

// StartRedisCluster starts six servers and joins them: about two seconds.
func StartRedisCluster(t testing.TB, settings ...string) *RedisCluster {
	t.Helper()
	c := &RedisCluster{t: t}
	bus := make([]string, 6)
	for i := range bus {
		address := Address(t)
		bus[i] = strconv.Itoa(Port(t))
		conf := redisConf(address, append([]string{
			"cluster-enabled yes", "cluster-port " + bus[i], "cluster-node-timeout 1000", "cluster-replica-validity-factor 0",
			"repl-diskless-sync-delay 0", "appendonly yes", "appendfsync always",
		}, settings...))
		c.Nodes = append(c.Nodes, startRedis(t, "redis cluster node", address, conf))
	}
	for i := range 3 {
		first, last := i*5461, i*5461+5460
		if i == 2 {
			last = 16383
		}
		c.Nodes[i].Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
	}
	for i, n := range c.Nodes[1:] {
		host, port, _ := net.SplitHostPort(n.Address)
		c.Nodes[0].Do("CLUSTER", "MEET", host, port, bus[i+1])
	}
	Eventually(t, "all six servers know each other", func() bool {
		for _, n := range c.Nodes {
			if strings.Count(n.Do("CLUSTER", "NODES"), "connected") < 6 || strings.Contains(n.Do("CLUSTER", "NODES"), "handshake") {
				return false
			}
		}
		return true
	})
	for i := range 3 {
		c.Nodes[3+i].Do("CLUSTER", "REPLICATE", c.Nodes[i].Do("CLUSTER", "MYID"))
	}
	c.AwaitReplicas()
	return c
}

// Addresses are those of all servers.
func (c *RedisCluster) Addresses() (out []string) {
	for _, n := range c.Nodes {
		out = append(out, n.Address)
	}
	return out
}

// AwaitReplicas waits until the cluster is up and each running primary has a replica that follows it.
func (c *RedisCluster) AwaitReplicas() {
	c.t.Helper()
	Eventually(c.t, "each primary has its replica", func() bool {
		for _, n := range c.Nodes {
			if !n.Running() {
				continue
			}
			if !strings.Contains(n.Do("CLUSTER", "INFO"), "cluster_state:ok") {
				return false
			}
			info := n.Do("INFO", "replication")
			if strings.Contains(info, "role:master") && !strings.Contains(info, "state=online") ||
				strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
				return false
			}
		}
		return true
	})
}

// IsPrimary reports whether a server is a primary.
func (r *Redis) IsPrimary() bool {
	r.t.Helper()
	answer, err := RedisCommand(r.Address, "INFO", "replication")
	return err == nil && strings.Contains(answer, "role:master")
}

// RedisSentinel is a primary with a replica and the Sentinel that watches them.
type RedisSentinel struct {
	Primary, Replica, Sentinel *Redis
	Name                       string
}

// StartRedisSentinel starts the three: about a second.
func StartRedisSentinel(t testing.TB, settings ...string) *RedisSentinel {
	t.Helper()
	s := &RedisSentinel{Name: "sessions"}
	settings = append([]string{"repl-diskless-sync-delay 0"}, settings...)
	s.Primary = StartRedis(t, settings...)
	host, port, _ := net.SplitHostPort(s.Primary.Address)
	s.Replica = StartRedis(t, append(settings, "replicaof "+host+" "+port)...)
	address := Address(t)
	_, own, _ := net.SplitHostPort(address)
	conf := fmt.Sprintf("bind 127.0.0.1\nport %s\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 3000\n",
		own, s.Name, host, port, s.Name, s.Name)
	Eventually(t, "the replica follows", func() bool {
		return strings.Contains(s.Replica.Do("INFO", "replication"), "master_link_status:up")
	})
	s.Sentinel = startRedis(t, "redis sentinel", address, conf, "--sentinel")
	Eventually(t, "the Sentinel knows the replica", func() bool {
		answer := s.Sentinel.Do("INFO", "sentinel")
		return strings.Contains(answer, "slaves=1")
	})
	return s
}
