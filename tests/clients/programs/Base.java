// SPDX-License-Identifier: Apache-2.0
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** What the Java clients share. */
final class Base {
	static final String HOST = "127.0.0.1";
	static final String USER = System.getenv("GW_USER");
	static final String PASSWORD = System.getenv("PASSWORD");
	static final String PROTO = System.getenv("PROTO");

	interface Upload {
		void file(String file, String path) throws Exception;
	}

	static int port(String name) {
		return Integer.parseInt(System.getenv(name));
	}

	/** Runs an upload for each file of a folder in a thread of its own. */
	static void parallel(String folder, String path, Upload upload)
			throws Exception {
		File[] files = new File(folder).listFiles();
		ExecutorService pool = Executors.newFixedThreadPool(files.length);
		List<Future<?>> all = new ArrayList<>();
		for (File f : files) {
			all.add(pool.submit(() -> {
				upload.file(f.getPath(), path + "/" + f.getName());
				return null;
			}));
		}
		for (Future<?> one : all) {
			one.get();
		}
		pool.shutdown();
	}
}
