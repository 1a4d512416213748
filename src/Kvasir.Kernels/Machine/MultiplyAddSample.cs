namespace Kvasir.Kernels.Machine;

/// <summary>How fast a machine multiplies and adds, in its fastest form, over several short runs.</summary>
/// <param name="Threads">That compute at once.</param>
/// <param name="OperationsPerSecond">Of the fastest run, all threads together; a multiply-add is two operations.</param>
/// <param name="Form">The instructions.</param>
public readonly record struct MultiplyAddSample(int Threads, double OperationsPerSecond, string Form);
