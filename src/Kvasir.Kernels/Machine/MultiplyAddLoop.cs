namespace Kvasir.Kernels.Machine;

/// <summary>A loop of nothing but multiply-adds that do not wait for each other.</summary>
/// <param name="Form">The instructions.</param>
/// <param name="IsSupported">Whether this machine has them.</param>
/// <param name="Operations">Of one turn of the loop; a multiply-add is two.</param>
/// <param name="Run">Takes the turns.</param>
internal readonly record struct MultiplyAddLoop(string Form, bool IsSupported, int Operations, Action<long> Run);
