namespace Kvasir.Ground;

/// <summary>The eigenvectors of a symmetric matrix, by Jacobi's rotations: exact to rounding, and a head's covariance is small.</summary>
internal static class PrincipalAxes
{
    private const int MostSweeps = 60;

    /// <summary>Row i of the result is the axis with the i-th largest variance, of length 1.</summary>
    /// <param name="matrix">[dim, dim], symmetric; left diagonal, in the order before sorting.</param>
    public static double[] Of(double[] matrix, int dim)
    {
        var axes = new double[dim * dim];
        for (var i = 0; i < dim; i++)
            axes[i * dim + i] = 1;
        for (var sweep = 0; sweep < MostSweeps && !IsDiagonal(matrix, dim); sweep++)
        {
            for (var p = 0; p < dim; p++)
            {
                for (var q = p + 1; q < dim; q++)
                    Rotate(matrix, axes, dim, p, q);
            }
        }

        int[] order = [.. Enumerable.Range(0, dim).OrderByDescending(i => matrix[i * dim + i])];
        var sorted = new double[dim * dim];
        for (var i = 0; i < dim; i++)
            axes.AsSpan(order[i] * dim, dim).CopyTo(sorted.AsSpan(i * dim));
        return sorted;
    }

    private static bool IsDiagonal(double[] matrix, int dim)
    {
        var (on, off) = (0.0, 0.0);
        for (var i = 0; i < dim * dim; i++)
        {
            if (i / dim == i % dim)
                on += matrix[i] * matrix[i];
            else
                off += matrix[i] * matrix[i];
        }

        return off <= 1e-24 * on;
    }

    // Turns the axes p and q until the element between them is 0.
    private static void Rotate(double[] matrix, double[] axes, int dim, int p, int q)
    {
        var between = matrix[p * dim + q];
        if (between == 0)
            return;
        var theta = (matrix[q * dim + q] - matrix[p * dim + p]) / (2 * between);
        var tangent = (theta < 0 ? -1 : 1) / (Math.Abs(theta) + Math.Sqrt(theta * theta + 1));
        var cosine = 1 / Math.Sqrt(tangent * tangent + 1);
        var sine = tangent * cosine;
        for (var i = 0; i < dim; i++)
            (matrix[i * dim + p], matrix[i * dim + q]) = Turned(matrix[i * dim + p], matrix[i * dim + q], cosine, sine);
        for (var i = 0; i < dim; i++)
        {
            (matrix[p * dim + i], matrix[q * dim + i]) = Turned(matrix[p * dim + i], matrix[q * dim + i], cosine, sine);
            (axes[p * dim + i], axes[q * dim + i]) = Turned(axes[p * dim + i], axes[q * dim + i], cosine, sine);
        }
    }

    private static (double P, double Q) Turned(double p, double q, double cosine, double sine) => (cosine * p - sine * q, sine * p + cosine * q);
}
