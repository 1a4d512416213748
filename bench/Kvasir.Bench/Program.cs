using BenchmarkDotNet.Running;
using Kvasir.Bench.Gate;
using Kvasir.Bench.Predictions;

if (args is ["gate"])
    return RegressionGate.Run();
if (args is ["predictions", .. var shapes])
    return PredictionRun.Run(shapes);
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
