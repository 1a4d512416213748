using BenchmarkDotNet.Running;
using Kvasir.Bench.Drafts;
using Kvasir.Bench.Gate;
using Kvasir.Bench.Memory;
using Kvasir.Bench.Overlap;
using Kvasir.Bench.Phases;
using Kvasir.Bench.Predictions;

if (args is ["gate"])
    return RegressionGate.Run();
if (args is ["memory", .. var sizes])
    return MemoryRun.Run(sizes);
if (args is ["predictions", .. var shapes])
    return PredictionRun.Run(shapes);
if (args is ["drafts", .. var drafts])
    return DraftRun.Run(drafts);
if (args is ["phases", .. var phases])
    return PhaseRun.Run(phases);
if (args is ["overlap", .. var overlap])
    return OverlapRun.Run(overlap);
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
