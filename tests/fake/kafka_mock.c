/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librdkafka's own broker for tests as a program: prints its address and runs
 * until it is killed. For machines where no real Kafka can be had.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
main(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_mock_cluster_t *cluster;
	rd_kafka_t *owner;
	char error[300];

	rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
	owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	cluster = owner ? rd_kafka_mock_cluster_new(owner, 1) : NULL;
	if (!cluster)
		return 1;
	puts(rd_kafka_mock_cluster_bootstraps(cluster));
	fflush(stdout);
	for (;;)
		pause();
}
