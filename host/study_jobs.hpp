// study_jobs.hpp: makes several runs of a study at once, each in a process of its own, with the
// results of one after the other. A point waits until the pools it replays from are there. A
// process that ends on the way fails its point, and another takes its place.
#pragma once

#include <string>
#include <vector>

#include "host/study_run.hpp"

namespace winnow {

struct StudyJobs {
  std::size_t count = 1;           // how many at most
  std::vector<std::string> words;  // as StudyWorker takes them
};

// As execute_study(). Once `stop` is set, every worker is asked to stop.
StudyOutcome execute_study_jobs(const StudyRequest& request, const StudyJobs& jobs);

}  // namespace winnow
