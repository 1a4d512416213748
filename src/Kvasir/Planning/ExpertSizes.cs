using Kvasir.Models;

namespace Kvasir.Planning;

/// <summary>The experts of a model's layers: how large the matrices of one are, and how many of them a row goes through.</summary>
/// <param name="Matrices">Of one expert of each layer.</param>
/// <param name="Count">Experts of a layer.</param>
/// <param name="Used">Of them, those that a row goes through.</param>
public sealed record ExpertSizes(IReadOnlyList<MatrixSize> Matrices, int Count, int Used)
{
    /// <summary>Of all experts, as their file has them.</summary>
    public long StoredBytes => Count * Matrices.Sum(static matrix => matrix.StoredBytes);

    /// <summary>Of all experts, as products read them.</summary>
    internal long ReadBytes => Count * Matrices.Sum(static matrix => matrix.ReadBytes);

    /// <summary>Experts of a layer that so many rows go through together, where all are as likely.</summary>
    internal double Read(int rows) => Count * (1 - Math.Pow(1 - ((double)Used / Count), rows));
}
