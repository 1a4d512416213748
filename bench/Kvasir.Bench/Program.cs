using BenchmarkDotNet.Running;
using Kvasir.Bench.Gate;

if (args is ["gate"])
    return RegressionGate.Run();
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
